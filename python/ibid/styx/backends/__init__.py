"""What the tag of an image stands for at this moment, by the engine that runs it."""

from ibid.styx.backends._resolvers import (
    docker_digest_resolver,
    podman_digest_resolver,
    singularity_digest_resolver,
)

__all__ = [
    "docker_digest_resolver",
    "podman_digest_resolver",
    "singularity_digest_resolver",
]
