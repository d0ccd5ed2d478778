#!/bin/sh
# Fail if a page of a built site loads a script, style, font, picture or frame from another host.
set -eu

site=$1
if grep -rEn --include='*.html' '<(script|img|iframe|source)[^>]*[[:space:]]src="?(https?:)?//' "$site" ||
    grep -rEn --include='*.html' '<link[^>]*rel="?(stylesheet|preconnect|preload|dns-prefetch)[^>]*href="?(https?:)?//' "$site"; then
    echo "The site must load nothing from another host: see the lines above." >&2
    exit 1
fi
