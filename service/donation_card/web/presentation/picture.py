"""Build the addresses and texts of pictures. Pure."""

from donation_card.domain.campaign import Campaign
from donation_card.domain.picture import Picture
from donation_card.web.presentation.documents import CardPicture, PictureFile
from donation_card.web.presentation.translations import Translations

MEDIA_TYPES = {"webp": "image/webp", "jpg": "image/jpeg"}


def picture_path(image: Picture, width: int, extension: str) -> str:
    return f"/pictures/{image.file_name(width, extension)}"


def picture_files(image: Picture) -> list[PictureFile]:
    """List every served image, the smaller format first, then by width."""
    return [
        {
            "url": picture_path(image, width, extension),
            "type": MEDIA_TYPES[extension],
            "width": width,
            "height": image.height(width),
        }
        for extension in image.formats
        for width in image.widths
    ]


def picture_json(campaign: Campaign, t: Translations) -> CardPicture | None:
    """Build the picture of a campaign, or return None if it has none or is hidden."""
    picture = None if campaign.hidden else campaign.picture
    if picture is None:
        return None
    files = picture_files(picture.image)
    return {
        "url": files[0]["url"],
        "width": files[0]["width"],
        "height": files[0]["height"],
        "alt": picture.alt[t.language],
        "credit": picture.credit,
        "files": files,
    }
