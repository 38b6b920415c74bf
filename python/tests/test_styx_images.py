"""`ibid.styx`: images by what they hold, over stand-ins for the engines of containers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from ibid.styx import CachePolicy, CachingRunner, trust_tag
from ibid.styx.backends import (
    docker_digest_resolver,
    podman_digest_resolver,
    singularity_digest_resolver,
)
from styx_bench import TOOL, Bench, call
from styxdocker import DockerRunner
from styxpodman import PodmanRunner
from styxsingularity import SingularityRunner

DIGESTS = [hashlib.sha256(text).hexdigest() for text in (b"one", b"two")]

# Answers for images from a file, and runs `run.sh` where outputs are mounted.
ENGINE = r"""
case "$1" in
image)
    test -s "$IMAGES" || { echo "no such image" >&2; exit 1; }
    echo "$PREFIX$(cat "$IMAGES")" ;;
*)
    for word; do
        case "$word" in
        type=bind,source=*,target=/styx_output*) to=${word#type=bind,source=}; to=${to%%,target*} ;;
        *:/styx_output) to=${word%:/styx_output} ;;
        esac
    done
    cd "$to"; sed 's,^cd /styx_output,,' run.sh > /dev/null; echo "$*" > how; echo ran > out ;;
esac
"""


@pytest.fixture
def bench(project: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Engines that have one image."""
    bench = Bench(project)
    images = bench.file("images", DIGESTS[0])
    for name, prefix in (("docker", "sha256:"), ("podman", ""), ("singularity", "")):
        bench.tool(f"IMAGES='{images}'\nPREFIX={prefix}\n{ENGINE}", name)
    monkeypatch.setenv("PATH", f"{bench.bin}:/usr/bin:/bin")
    return bench


def cached(bench: Bench, base: Any, **policy: Any) -> Path:
    return call(CachingRunner(base, bench.cache, policy=CachePolicy(**policy)))


def how(root: Path) -> str:
    """What the engine was told: that of the run that made the result."""
    return (root / "how").read_text()


@pytest.mark.parametrize("runner", [DockerRunner, PodmanRunner])
def test_a_container_is_known_by_what_its_image_holds(bench: Bench, runner: Any) -> None:
    first = how(cached(bench, runner()))
    assert how(cached(bench, runner())) == first
    bench.file("images", DIGESTS[1])
    moved = how(cached(bench, runner()))
    assert moved != first
    bench.file("images", DIGESTS[0])
    assert how(cached(bench, runner())) == first


def test_engines_agree_on_an_image(bench: Bench) -> None:
    assert docker_digest_resolver("image:1") == podman_digest_resolver("image:1")
    assert docker_digest_resolver("image:1") == f"sha256:{DIGESTS[0]}"
    bench.file("images", DIGESTS[1])
    assert docker_digest_resolver("image:1") == f"sha256:{DIGESTS[1]}"
    assert how(cached(bench, DockerRunner())) == how(cached(bench, PodmanRunner()))


def test_runs_of_one_tool_have_names_of_their_own(bench: Bench) -> None:
    names = set()
    for extra in ("a", "b"):
        told = how(cached(bench, DockerRunner(), extra={"n": extra}))
        names.add(re.findall(r"--name (\S+)", told)[0])
    assert len(names) == 2


@pytest.mark.parametrize("runner", [DockerRunner, PodmanRunner, SingularityRunner])
def test_an_image_that_cannot_be_resolved_is_not_cached(
    bench: Bench, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.file("images", "")
    assert how(cached(bench, runner())) != how(cached(bench, runner()))
    assert caplog.text.count("not cached") == 1
    assert "image:1" in caplog.text


def test_a_resolver_that_is_given_is_used(bench: Bench) -> None:
    bench.file("images", "")
    trusted = {"image_digest": trust_tag}
    assert how(cached(bench, DockerRunner(), **trusted)) == how(
        cached(bench, DockerRunner(), **trusted)
    )


def test_the_image_that_really_runs_counts(bench: Bench) -> None:
    asked: list[str] = []

    def resolver(tag: str) -> str:
        asked.append(tag)
        return tag

    for to in ("other:1", "other:2"):
        cached(bench, DockerRunner(image_overrides={"image:1": to}), image_digest=resolver)
    assert set(asked) == {"other:1", "other:2"}


def test_what_the_engine_is_told_beside_counts(bench: Bench) -> None:
    plain = how(cached(bench, DockerRunner()))
    assert how(cached(bench, DockerRunner(docker_extra_args=["--gpus=all"]))) != plain


def test_a_resolver_that_raises_is_no_obstacle(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[str] = []

    def resolver(tag: str) -> str:
        return answers.pop()

    first = how(cached(bench, DockerRunner(), image_digest=resolver))
    # Once before the run, and not again after it.
    answers.append("digest")
    second = how(cached(bench, DockerRunner(), image_digest=resolver))
    assert second != first
    answers.append("digest")
    assert how(cached(bench, DockerRunner(), image_digest=resolver)) not in (first, second)
    assert "pop from empty list" in caplog.text


def test_an_image_that_moves_while_it_runs_is_no_result(bench: Bench) -> None:
    told = iter(["a", "b", "a", "a", "a"])

    def resolver(tag: str) -> str:
        return next(told)

    first = how(cached(bench, DockerRunner(), image_digest=resolver))
    second = how(cached(bench, DockerRunner(), image_digest=resolver))
    assert second != first
    assert how(cached(bench, DockerRunner(), image_digest=resolver)) == second


def test_an_image_file_is_known_by_its_content(bench: Bench) -> None:
    sif = bench.file("image.sif", "one")
    one = singularity_digest_resolver(str(sif))
    sif.write_text("two")
    assert singularity_digest_resolver(str(sif)) != one
    pinned = f"docker://image@sha256:{DIGESTS[0]}"
    assert singularity_digest_resolver(pinned) == f"sha256:{DIGESTS[0]}"


@pytest.mark.parametrize("tag", ["docker://image:1", "docker-daemon:image:1"])
def test_a_file_that_is_called_like_an_image_is_none(
    bench: Bench, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)
    for name in ("image:1", tag.replace("//", "/")):
        bench.file(name)
    with pytest.raises(RuntimeError, match="image:1"):
        singularity_digest_resolver(tag)
    assert how(cached(bench, SingularityRunner())) != how(cached(bench, SingularityRunner()))


def test_resolvers_never_answer_with_the_tag(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    resolvers = [docker_digest_resolver, podman_digest_resolver, singularity_digest_resolver]
    assert {resolver("") for resolver in resolvers} == {"image:none"}
    bench.file("images", "no digest")
    for resolver in resolvers:
        with pytest.raises(RuntimeError, match="image:1"):
            resolver("image:1")
    monkeypatch.setenv("PATH", "/nonexistent")
    for resolver in resolvers:
        with pytest.raises(RuntimeError):
            resolver("image:1")


def test_without_a_container_the_tag_is_a_text_that_counts(bench: Bench) -> None:
    bench.tool("touch out")
    for tag in ("image:1", "image:2", None, "image:1"):
        call(bench.runner(), metadata=TOOL._replace(container_image_tag=tag))
    assert bench.calls == 3
