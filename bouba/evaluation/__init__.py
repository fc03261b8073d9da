"""Does a gallery find the right picture?"""
