#!/bin/sh
# The page is tested in a real Chromium. Where none is there, and we may, take the distribution's.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq update && apt-get -qq -y install --no-install-recommends chromium fonts-dejavu-core >/dev/null && exit 0
fi
echo "No Chromium here: the tests of the page will be skipped. Install the package chromium to run them." >&2
