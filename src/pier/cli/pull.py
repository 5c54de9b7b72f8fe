"""`pier pull`: an image from a registry, or from a recipe."""

from __future__ import annotations

import sys

from pier.cli.obtaining import fetch, recipe_policy
from pier.cli.options import Command, flag, refused, value
from pier.model import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session


def pull(session: Session, arguments: Arguments) -> int:
    """Fetch the image and print its full name."""
    name, quiet = arguments.positionals[0], arguments.flag("quiet")
    ref = reference.parse(name)
    if not quiet and not ref.digest and ref.tag == reference.DEFAULT_TAG and not name.endswith(":" + ref.tag):
        sys.stdout.write(f"Using default tag: {ref.tag}\n")
    fetch(
        session,
        name,
        stream=sys.stdout,
        recipes=recipe_policy(session, arguments.text("recipes")),
        platform=arguments.text("platform"),
        quiet=quiet,
    )
    sys.stdout.write(ref.canonical() + "\n")
    return 0


PULL = Command(
    run=pull,
    usage="[OPTIONS] NAME[:TAG|@DIGEST]",
    arguments=(1, 1),
    options=(
        value("platform", help="Fetch the image for this platform, such as linux/arm64"),
        flag("quiet", "q", "Suppress verbose output"),
        value("recipes", help="Assemble well-known images locally: auto (where no registry answers), never or only"),
        flag("disable-content-trust", help="Accepted for Docker's sake: digests are always verified", default=True),
        refused("all-tags", "pier fetches one image at a time", short="a", kind="bool"),
    ),
)
