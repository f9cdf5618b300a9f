#!/bin/sh
# Copy a campaign into a folder for a static host (deploy/contrib/mirror.conf): the card, its texts, the last public total.
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
exit "$failed"
