"""`ibid.styx`: wrappers as NiWrap generates them, unchanged, over stand-ins for the tools."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol

import pytest
from ibid.styx import CachingRunner
from niwrap import afni, ants, fsl
from styx_bench import Bench


@pytest.fixture
def bench(project: Path) -> Bench:
    """Stand-ins that make what the real tools make, as far as the wrappers ask for it."""
    bench = Bench(project)
    # It makes fewer files than its wrapper declares.
    bench.tool('cat "$1" > "$2.nii.gz"; echo "${3-} ${4-}" >> "$2.nii.gz"', "bet")
    bench.tool(
        """
        for word; do
            case "$word" in
            --topup=*) field=${word#--topup=} ;;
            --out=*) out=${word#--out=} ;;
            --imain=*) image=${word#--imain=} ;;
            esac
        done
        cat "$image" "${field}_fieldcoef.nii.gz" > "$out.nii.gz"
        """,
        "applytopup",
    )
    bench.tool(
        """
        while test $# -gt 0; do
            case "$1" in
            --input-image) input=$2; shift ;;
            --output) out=$2; shift ;;
            esac
            shift
        done
        cat "$input" > "$out"
        """,
        "N4BiasFieldCorrection",
    )
    bench.tool('for last; do :; done; echo deobliqued >> "$last"', "3drefit")
    bench.tool("echo warning >&2; echo 10 20", "3dinfo")
    return bench


class Wrapper(Protocol):
    """Calls a wrapper, as usual or with `other` params. Returns its output."""

    def __call__(self, runner: CachingRunner, image: Path, *, other: bool = False) -> Path: ...


def lenient(bench: Bench) -> CachingRunner:
    """A runner for wrappers that declare more than their tools make."""
    optional = ("fsl/bet/*", "afni/3drefit/out_file")
    runner: CachingRunner = bench.runner(optional_outputs=optional)
    return runner


def image_of(bench: Bench, path: str, text: str = "brain ") -> Path:
    """Writes an image, and beside it what `applytopup` wants."""
    image = bench.file(path, text)
    image.with_name("field_fieldcoef.nii.gz").write_text("+field")
    image.with_name("acq.txt").write_text("0 1 0 0.05")
    return image


def of_bet(runner: CachingRunner, image: Path, *, other: bool = False) -> Path:
    fraction = 0.6 if other else 0.5
    return Path(fsl.bet(image, "made", fractional_intensity=fraction, runner=runner).outfile)


def of_applytopup(runner: CachingRunner, image: Path, *, other: bool = False) -> Path:
    field, lines = image.with_name("field"), image.with_name("acq.txt")
    method: Literal["jac", "lsr"] = "jac" if other else "lsr"
    made = fsl.applytopup([image], lines, ["1"], field, "made", method=method, runner=runner)
    return Path(made.output_file)


def of_n4(runner: CachingRunner, image: Path, *, other: bool = False) -> Path:
    made = ants.n4_bias_field_correction(
        input_image=image,
        shrink_factor=2 if other else 4,
        output=ants.n4_bias_field_correction_corrected_output_params("made.nii.gz"),
        runner=runner,
    )
    return Path(made.root / "made.nii.gz")


def of_3drefit(runner: CachingRunner, image: Path, *, other: bool = False) -> Path:
    made = afni.v_3drefit(in_file=image, deoblique=True, nosaveatr=other, runner=runner)
    return Path(made.in_file)


# A wrapper, and what its stand-in makes of an image.
WRAPPERS = [
    pytest.param(of_bet, "{}-f 0.5\n", id="bet"),
    pytest.param(of_applytopup, "{}+field", id="applytopup"),
    pytest.param(of_n4, "{}", id="N4BiasFieldCorrection"),
    pytest.param(of_3drefit, "{}deobliqued\n", id="3drefit"),
]


@pytest.mark.parametrize(("wrapper", "makes"), WRAPPERS)
def test_equal_calls_hit_and_others_miss(bench: Bench, wrapper: Wrapper, makes: str) -> None:
    image = image_of(bench, "sub-1/t1.nii.gz")
    outputs = [wrapper(lenient(bench), image) for _ in range(2)]
    assert outputs[0] != outputs[1]
    assert {output.read_text() for output in outputs} == {makes.format("brain ")}
    elsewhere = image_of(bench, "sub-2/t1.nii.gz")
    assert wrapper(lenient(bench), elsewhere).read_text() == makes.format("brain ")
    assert bench.calls == 1
    wrapper(lenient(bench), image, other=True)
    assert bench.calls == 2
    elsewhere.write_text("another ")
    assert wrapper(lenient(bench), elsewhere).read_text() == makes.format("another ")
    assert bench.calls == 3
    assert image.read_text() == "brain "


@pytest.mark.parametrize(("wrapper", "makes"), WRAPPERS)
def test_two_files_of_one_folder_are_told_apart(bench: Bench, wrapper: Wrapper, makes: str) -> None:
    images = [image_of(bench, f"sub/{name}.nii.gz", f"{name} ") for name in ("one", "two")]
    for image in images * 2:
        assert wrapper(lenient(bench), image).read_text() == makes.format(image.read_text())
    assert bench.calls == 2


@pytest.mark.parametrize(("wrapper", "makes"), WRAPPERS)
def test_outputs_are_put_right(bench: Bench, wrapper: Wrapper, makes: str) -> None:
    image = image_of(bench, "sub/t1.nii.gz")
    first = wrapper(lenient(bench), image)
    first.chmod(0o644)
    first.write_text("EVIL")
    second = wrapper(lenient(bench), image)
    assert second.read_text() == makes.format("brain ")
    second.unlink()
    assert wrapper(lenient(bench), image).read_text() == makes.format("brain ")
    assert bench.calls == 1


@pytest.mark.parametrize(("wrapper", "makes"), WRAPPERS)
def test_four_equal_calls_at_once_run_once(bench: Bench, wrapper: Wrapper, makes: str) -> None:
    image = image_of(bench, "sub/t1.nii.gz")
    runner = lenient(bench)
    ready = threading.Barrier(4)

    def one(_: int) -> str:
        ready.wait()
        return wrapper(runner, image).read_text()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [makes.format("brain ")] * 4
    assert bench.calls == 1


def test_bet_makes_fewer_files_than_it_declares(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    image = bench.file("t1.nii.gz", "brain")
    for _ in range(2):
        fsl.bet(image, "brain", runner=bench.runner())
    assert bench.calls == 2
    assert "fsl/bet: `brain_mask.nii.gz`, " in caplog.text
    assert "declared and missing" in caplog.text
    for _ in range(2):
        made = fsl.bet(image, "brain", runner=lenient(bench))
        assert [path.name for path in made.root.iterdir()] == ["brain.nii.gz"]
    assert bench.calls == 3


def test_applytopup_tells_two_fields_of_one_folder_apart(bench: Bench) -> None:
    image, lines = bench.file("epi.nii.gz", "epi+"), bench.file("acq.txt", "0 1 0 0.05")
    for name in ("one", "two"):
        bench.file(f"topup/{name}_fieldcoef.nii.gz", name)
    for name in ("one", "two", "one", "two"):
        made = fsl.applytopup(
            [image], lines, ["1"], bench.folder / "topup" / name, "fixed", runner=bench.runner()
        )
        assert made.output_file.read_text() == f"epi+{name}"
    assert bench.calls == 2


def test_3drefit_edits_a_copy(bench: Bench) -> None:
    image = bench.file("t1.nii.gz", "brain ")
    for _ in range(2):
        made = afni.v_3drefit(in_file=image, deoblique=True, runner=lenient(bench))
        assert made.in_file.read_text() == "brain deobliqued\n"
    assert image.read_text() == "brain "
    assert bench.calls == 1


def test_3dinfo_prints(bench: Bench) -> None:
    image = bench.file("t1.nii.gz", "brain")
    for _ in range(2):
        made = afni.v_3dinfo(dataset=[image], runner=bench.runner())
        assert made.info == ["10 20"]
    assert bench.calls == 1
