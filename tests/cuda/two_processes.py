"""two_processes.py PROGRAM STEPS: started twice at once on one cold cache, and once more on the warm one, it prints the same each time."""
import os
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    environment = os.environ | {"JT_CACHE_DIR": folder + "/cache"}
    command = sys.argv[1:3]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    outputs = [process.communicate()[0].split() for process in both]
    assert all(process.returncode == 0 for process in both), [process.returncode for process in both]
    images = {name: os.path.getmtime(f"{folder}/cache/cuda/{name}") for name in os.listdir(folder + "/cache/cuda")}
    outputs.append(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout.split())
    assert outputs[0] == outputs[1] == outputs[2] and len(outputs[0]) == int(sys.argv[2]), outputs
    assert len(images) > 10 and all(name.endswith(".jtc") for name in images), images
    after = {name: os.path.getmtime(f"{folder}/cache/cuda/{name}") for name in os.listdir(folder + "/cache/cuda")}
    assert images == after, "the warm start compiled something"
    print(f"{len(images)} images, made once; {len(outputs[0])} losses, three times the same")
