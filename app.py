"""Serve the page: python app.py, then open http://127.0.0.1:7860.

FV2ES_CHECKPOINT names models of the Hub that it shall offer (ORG/NAME@revision, with commas between); other variables
named FV2ES_… move the limits.
"""

import logging
import os

from fv2es.limits import Limits
from fv2es.ui import build_demo, launch_options
from fv2es.ui.gpu import find_models_here

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
for talkative in ("httpx", "httpx2"):  # a line for every request
    logging.getLogger(talkative).setLevel(logging.WARNING)
limits = Limits.from_environment()
demo = build_demo(limits=limits, models=find_models_here()).queue(max_size=int(limits.max_waiting))

if __name__ == "__main__":
    demo.launch(max_file_size=int(limits.max_bytes), **launch_options(demo))
