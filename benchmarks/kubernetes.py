"""What a trial on Kubernetes costs the runner: CPU time of its process, per trial.

python -m benchmarks.kubernetes IMAGE [TRIALS [PARALLEL]]

IMAGE has a shell, and is where the nodes of the current context can get it. Trials print one line
and end. The bound is 50 ms a trial.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILE = """
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {{name: nothing}}
spec:
  parallelTrialCount: {parallel}
  maxTrialCount: {trials}
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: random}}
  parameters:
  - {{name: x, parameterType: double, feasibleSpace: {{min: "0", max: "1"}}}}
  trialTemplate:
    image: {image}
    command: [sh, -c, "echo loss=${{trialParameters.x}}"]
"""


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process so far, without those of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(image: str, trials: int, parallel: int) -> tuple[float, float]:
    """Return seconds, and CPU seconds of the runner, of an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "experiment.yaml")
        file.write_text(FILE.format(image=image, trials=trials, parallel=parallel))
        words = ["run", str(file), "--directory", f"{folder}/state", "--runtime", "kubernetes"]
        begin, used = time.monotonic(), 0.0
        with subprocess.Popen([sys.executable, "-m", "suggestion", *words, "--plain"]) as process:
            while process.poll() is None:
                used = cpu(process.pid)
                time.sleep(0.2)
        assert process.returncode == 0
        return time.monotonic() - begin, used


def main(image: str, trials: str = "200", parallel: str = "16") -> None:
    seconds, used = measure(image, int(trials), int(parallel))
    print(
        f"{trials} trials, {parallel} at a time: {seconds:.0f} s, {used:.1f} s of CPU, "
        f"{1000 * used / int(trials):.0f} ms a trial"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
