"""`tune` beside plain KerasTuner and AutoKeras, each given the same time.

    python tests/benchmarks/peers --data CIFAR10.npz [--forms digits,grey]
        [--within 600] [--seeds 1] [--tools tune,keras_tuner,autokeras] [--out FILE]

Each tool trains on the same images with the whole machine, one after the other.
A line a run: tool, images, seed, test accuracy, seconds. AutoKeras must be installed.
Nothing is tuned on the test images; they are measured once, at the end of each run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from images import FORMS, make

HERE = Path(__file__).parent
TOOLS = ("tune", "keras_tuner", "autokeras")


def main() -> None:
    """Run the tools and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz of CIFAR-10")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--within", type=int, default=600, help="seconds of each run")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for form in asked.forms.split(","):
            folder = Path(name) / form
            folder.mkdir()
            paths = make(form, asked.data, folder)
            for seed in range(asked.seeds):
                for tool in asked.tools.split(","):
                    row = run(tool, paths, asked.within, seed, folder)
                    line = json.dumps({"tool": tool, "images": form, **row})
                    print(line, flush=True)
                    if asked.out:
                        with asked.out.open("a", encoding="utf-8") as out:
                            out.write(line + "\n")


def run(
    tool: str, paths: tuple[Path, Path], within: int, seed: int, folder: Path
) -> dict:
    """Run one tool, and return its result."""
    images, arrays = paths
    started = time.monotonic()
    if tool == "tune":
        result = _tune(images, within, seed, folder)
    else:
        out = folder / "result.json"
        script = HERE / f"{tool}_script.py"
        words = [str(arrays), str(within), str(seed), str(out)]
        done = subprocess.run(
            [sys.executable, str(script), *words],
            capture_output=True,
            text=True,
            check=False,
        )
        failed = {"error": done.stderr.strip()[-300:]}
        result = json.loads(out.read_text()) if done.returncode == 0 else failed
    return {"seed": seed, "seconds": round(time.monotonic() - started), **result}


def _tune(images: Path, within: int, seed: int, folder: Path) -> dict:
    words = ["--space", "combined", "--data", str(images), "--in", f"{within}s"]
    words += ["--seed", str(seed), "--name", f"seed-{seed}", "--no-report", "--json"]
    words += ["--directory", str(folder / "runs")]
    done = subprocess.run(
        [sys.executable, "-m", "tuner", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"error": done.stderr.strip()[-300:]}
    study = json.loads(done.stdout)
    network = study["final"] or study["best"]
    return {
        "test_accuracy": network["test_accuracy"],
        "trials": len(study["trials"]),
        "epochs": network["epochs"],
    }


if __name__ == "__main__":
    main()
