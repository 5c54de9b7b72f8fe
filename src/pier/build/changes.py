"""Dockerfile instructions over an image's configuration, as `commit --change` and `import --change` take them. Pure."""

from __future__ import annotations

from pier.build import dockerfile, plan
from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.model.image import ImageConfig

KEYWORDS = (
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip


def apply(config: ImageConfig, texts: Sequence[str]) -> ImageConfig:
    """*config* after the instructions *texts*. Invalid for one that changes more than the configuration."""
    if not texts:
        return config
    for text in texts:
        keyword = dockerfile.trigger(text, "--change").keyword
        if keyword not in KEYWORDS:
            raise Invalid(f"{keyword} is not a valid change command", hint="one of " + ", ".join(KEYWORDS))
    parsed = dockerfile.parse("FROM scratch\n" + "\n".join(texts), "--change")
    # Its own triggers are for builds upon the image, not for this.
    given = plan.StageInput(stage=parsed.stages[0], base="scratch", config=config.replace(on_build=()))
    made = plan.plan_stage(parsed, given).config
    return made.replace(on_build=(*config.on_build, *made.on_build))
