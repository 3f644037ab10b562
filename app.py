"""Serve the page: python app.py, then open http://127.0.0.1:7860.

FV2ES_CHECKPOINT names models of the Hub that it shall offer (ORG/NAME@revision, with commas between), FV2ES_LOG=json
makes the log's lines JSON; other variables named FV2ES_… move the limits.
"""

import os

from fv2es.limits import Limits
from fv2es.threads import one_thread
from fv2es.ui import build_demo, launch_options
from fv2es.ui.gpu import find_models_here
from fv2es.ui.logs import set_up_log

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
set_up_log()
limits = Limits.from_environment()
demo = build_demo(limits=limits, models=find_models_here()).queue(max_size=limits.whole(limits.max_waiting))

if __name__ == "__main__":
    with one_thread():  # for each visitor
        demo.launch(max_file_size=limits.whole(limits.max_bytes), **launch_options(demo))
