"""same_losses.py PROGRAM -- COMMAND...: both print the same lines, all different numbers: the losses of one training, to the bit."""
import subprocess
import sys

at = sys.argv.index("--")
outputs = [subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
           for command in (sys.argv[1:at], sys.argv[at + 1:])]
assert len(outputs[0]) == 50 and len(set(outputs[0])) > 40, outputs[0]
for step, (mine, theirs) in enumerate(zip(*outputs)):
    assert mine == theirs, f"step {step}: {mine} and {theirs}"
assert len(outputs[0]) == len(outputs[1])
print(f"50 losses, the last {outputs[0][-1]}")
