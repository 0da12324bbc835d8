# BatchNorm Lens: did the BatchNorm parameters of a PyTorch module arrive in an exported ONNX file?
def batchnorm_lens_compare(module, path, program):
    import html
    import json
    import os
    import subprocess
    import tempfile
    import torch

    try:
        from IPython.display import display
    except ImportError:  # a plain script

        def display(data, raw):
            print(data["text/plain"])

    with tempfile.TemporaryDirectory() as folder:
        original = os.path.join(folder, "module.pth")
        try:
            torch.save(module, original)  # The whole module also holds epsilon.
        except Exception:
            torch.save(module.state_dict(), original)
        done = subprocess.run(
            [*program, "compare", original, path, "--json"],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "ELECTRON_RUN_AS_NODE": "1"},  # VS Code's own program runs the command line, too.
        )
    if done.returncode > 1 and not done.stdout:
        raise RuntimeError(done.stderr.strip())
    comparison = json.loads(done.stdout)
    rows = "".join(
        f"<tr><td>{html.escape(layer['name'])}</td><td>{layer['status']}</td><td>{html.escape(layer['evidence'])}</td></tr>"
        for layer in comparison["layers"]
    )
    head = "<tr><th>Layer</th><th>Status</th><th>Evidence</th></tr>"
    counts = ", ".join(f"{count} {status}" for status, count in comparison["summary"].items() if count)
    display(
        {
            "application/vnd.batchnorm-lens.v1+json": {"kind": "comparison", "comparison": comparison},
            "text/html": f"<p>{counts}</p><table>{head}{rows}</table>",
            "text/plain": f"{counts}. The BatchNorm Lens extension for VS Code shows the layers.",
        },
        raw=True,
    )


batchnorm_lens_compare(model, "model.onnx", ["batchnorm-lens"])  # your torch.nn.Module, its export, the command line
