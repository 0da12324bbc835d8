# BatchNorm Lens: the BatchNorm layers of an ONNX file, which the extension runs and checks.
def batchnorm_lens(path):
    import html

    try:
        from IPython.display import display
    except ImportError:  # a plain script

        def display(data, raw):
            print(data["text/plain"])

    hint = "the BatchNorm Lens extension for VS Code shows its BatchNorm layers here"
    display(
        {
            "application/vnd.batchnorm-lens.v1+json": {"kind": "model", "path": path},
            "text/html": f"<p><code>{html.escape(path)}</code>: {hint}.</p>",
            "text/plain": f"{path}: {hint}.",
        },
        raw=True,
    )


batchnorm_lens("model.onnx")  # absolute, or relative to the folder of this notebook
