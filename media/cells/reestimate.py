# BatchNorm Lens: running statistics of an ONNX model from a data set in parts, on the workers of a Dask cluster.
def batchnorm_lens_reestimate(client, model, parts, output, program, batch=32):
    import json
    import os
    import subprocess
    import tempfile

    def run(*arguments):
        done = subprocess.run(
            [*program, *arguments],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "ELECTRON_RUN_AS_NODE": "1"},  # VS Code's own program runs the command line, too.
        )
        if done.returncode > 1:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def statistics(part):
        return run("reestimate", model, "--input", part, "--batch", str(batch), "--statistics-only", "--json")

    # Dask runs the part of a worker that is lost on another worker. Shards add up exactly, in any order.
    shards = client.gather(client.map(statistics, parts, pure=False, retries=2))
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, f"{number}.json") for number in range(len(shards))]
        for file, shard in zip(files, shards):
            with open(file, "w", encoding="utf-8") as target:
                target.write(shard)
        merged = os.path.join(folder, "merged.json")
        run("merge", *files, "-o", merged)
        return json.loads(run("reestimate", model, "--statistics", merged, "-o", output, "--json"))


# from dask.distributed import Client; client = Client("tcp://scheduler:8786")
# Files or folders that every worker can read, each a multiple of the batch; the command line, installed on every worker.
batchnorm_lens_reestimate(client, "model.onnx", ["part1", "part2"], "fresh.onnx", ["batchnorm-lens"])
