# The page of FlashTalk, from the wheel. For the CPU: docker build -t flashtalk .
# For NVIDIA GPUs: docker build -t flashtalk:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
#                  --build-arg EXTRAS=[14b] .    Workers on other machines (compose.yaml): EXTRAS=[cluster]
# Sentences that are typed: EXTRAS=[speech]
FROM python:3.11-slim AS wheel
WORKDIR /source
RUN pip install --no-cache-dir build==1.6.1 hatchling==1.33.0
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY flashtalk flashtalk
COPY assets assets
RUN python -m build --wheel --no-isolation --outdir /wheels

FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=
COPY --from=wheel /wheels /wheels
COPY requirements.lock /wheels/
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" torch==2.13.0 \
    && pip install --no-cache-dir --no-deps --require-hashes -r /wheels/requirements.lock \
    && pip install --no-cache-dir "$(echo /wheels/*.whl)$EXTRAS" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 flashtalk
USER flashtalk
WORKDIR /home/flashtalk
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 GRADIO_ANALYTICS_ENABLED=False \
    RAY_USAGE_STATS_ENABLED=0
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["flashtalk", "serve"]
