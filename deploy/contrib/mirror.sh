#!/bin/sh
# Copy a campaign into a folder for a static host (deploy/contrib/mirror.conf): the card, its texts, its picture, the last public
# total. A picture that no text in the folder names is deleted.
# Run it once a minute from a timer: deploy/contrib/mirror.sh https://give.example.org vitaly /srv/mirror
# A failed download keeps the old copy. A 404 (the total of a hidden campaign) deletes it.
set -eu
origin=$1 campaign=$2 folder=$3 failed=0

copy() {
    file="$folder/$2"
    mkdir -p "$(dirname "$file")"
    status=$(curl --silent --max-time 10 --output "$file.new" --write-out '%{http_code}' "$origin$1") || status=none
    case "$status" in
        200) mv "$file.new" "$file" ;;
        404) rm -f "$file.new" "$file" ;;
        *)
            rm -f "$file.new"
            echo "$origin$1: $status; the old copy stays" >&2
            failed=1
            ;;
    esac
}

copy /widget/v1/donation-card.js widget/v1/donation-card.js
copy "/v1/campaigns/$campaign/progress" "v1/campaigns/$campaign/progress.json"
copy "/v1/campaigns/$campaign" "v1/campaigns/$campaign.json"
for lang in en be ru uk lt pl de; do
    copy "/v1/campaigns/$campaign?lang=$lang" "v1/campaigns/$campaign.$lang.json"
done
# The texts name each picture as "/pictures/HASH-WIDTH.webp". No other name is copied.
names=$(cat "$folder"/v1/campaigns/*.json 2>/dev/null | grep -o '/pictures/[0-9a-f]*-[0-9]*\.[a-z]*' | sort -u || true)
for file in "$folder"/pictures/*; do
    case "$names" in
        *"/pictures/${file##*/}"*) ;;
        *) rm -f "$file" ;;
    esac
done
for name in $names; do
    [ -f "$folder$name" ] || copy "$name" "${name#/}"
done
exit "$failed"
