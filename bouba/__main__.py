from bouba.cli import main

main()
