# The page on a machine of one's own (docs/hosting.md):
#   docker build --tag fv2es . && docker run --publish 7860:7860 --volume fv2es:/home/visitor/.cache fv2es

FROM python:3.12-slim AS packages
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential
COPY requirements.txt .
RUN python -m venv /opt/fv2es && /opt/fv2es/bin/pip install --no-cache-dir --requirement requirements.txt

FROM python:3.12-slim
WORKDIR /app
COPY packages.txt .
RUN apt-get update \
    && xargs apt-get install --yes --no-install-recommends < packages.txt \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 visitor \
    && install --directory --owner visitor /home/visitor/.cache
COPY --from=packages /opt/fv2es /opt/fv2es
COPY LICENSE README.md app.py ./
COPY examples examples
COPY checkpoints checkpoints
COPY fv2es fv2es
RUN /opt/fv2es/bin/python -m compileall -q fv2es
ENV PATH=/opt/fv2es/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GRADIO_SERVER_NAME=0.0.0.0
# What belongs to root cannot be changed by whoever finds a way in.
USER visitor
VOLUME /home/visitor/.cache
EXPOSE 7860
# A full queue answers 503: the page is busy then, and well.
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m CMD ["python", "-c", "\
import http.client; \
page = http.client.HTTPConnection('127.0.0.1', 7860, timeout=8); \
page.request('GET', '/health'); \
raise SystemExit(page.getresponse().status not in (200, 503))"]
CMD ["python", "app.py"]
