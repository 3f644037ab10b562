"""All models side by side, as the papers' tables have them: size, operations, speed, and how good trained weights are.

`cost` needs no weights; `samples` are the validation parts of the data folder, `quality`, `clips` and `ablation` what
checkpoints make of them; `tables` writes the whole as Markdown.
"""
