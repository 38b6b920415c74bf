"""`ibid.styx`: wrappers as NiWrap generates them, unchanged, over stand-ins for the tools."""

from __future__ import annotations

import threading
from pathlib import Path

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


def lenient(bench: Bench) -> CachingRunner:
    """A runner for wrappers that declare more than their tools make."""
    optional = ("fsl/bet/*", "afni/3drefit/out_file")
    runner: CachingRunner = bench.runner(optional_outputs=optional)
    return runner


def test_bet(bench: Bench) -> None:
    image = bench.file("sub-1/t1.nii.gz", "brain")
    first = fsl.bet(image, "brain", fractional_intensity=0.5, runner=lenient(bench))
    again = fsl.bet(image, "brain", fractional_intensity=0.5, runner=lenient(bench))
    assert bench.calls == 1
    assert first.outfile != again.outfile
    assert first.outfile.read_text() == again.outfile.read_text() == "brain-f 0.5\n"
    assert [path.name for path in again.root.iterdir()] == ["brain.nii.gz"]
    other = fsl.bet(image, "brain", fractional_intensity=0.6, runner=lenient(bench))
    assert other.outfile.read_text() == "brain-f 0.6\n"
    elsewhere = bench.file("sub-2/t1.nii.gz", "brain")
    fsl.bet(elsewhere, "brain", fractional_intensity=0.5, runner=lenient(bench))
    assert bench.calls == 2
    elsewhere.write_text("another brain")
    fsl.bet(elsewhere, "brain", fractional_intensity=0.5, runner=lenient(bench))
    assert bench.calls == 3


def test_outputs_of_bet_are_put_right(bench: Bench) -> None:
    image = bench.file("t1.nii.gz", "brain")
    first = fsl.bet(image, runner=lenient(bench))
    first.outfile.chmod(0o644)
    first.outfile.write_text("EVIL")
    second = fsl.bet(image, runner=lenient(bench))
    assert second.outfile.read_text() == "brain \n"
    second.outfile.unlink()
    assert fsl.bet(image, runner=lenient(bench)).outfile.read_text() == "brain \n"
    assert bench.calls == 1


def test_four_equal_calls_of_bet_run_once(bench: Bench) -> None:
    image = bench.file("t1.nii.gz", "brain")
    runner = lenient(bench)
    outputs: list[Path] = []

    def one() -> None:
        outputs.append(fsl.bet(image, runner=runner).outfile)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.calls == 1
    assert [path.read_text() for path in outputs] == ["brain \n"] * 4


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


def test_n4_bias_field_correction(bench: Bench) -> None:
    image = bench.file("t1.nii.gz", "brain")
    for _ in range(2):
        made = ants.n4_bias_field_correction(
            input_image=image,
            output=ants.n4_bias_field_correction_corrected_output_params("fixed.nii.gz"),
            runner=bench.runner(),
        )
        assert (made.root / "fixed.nii.gz").read_text() == "brain"
    assert bench.calls == 1


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
