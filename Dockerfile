# NIST TrojAI's container: exray-trojai with CPU torch. A GPU image differs in TORCH_INDEX alone.
# Build: docker build -t exray .
# Run, as the owner of DIR, so that the result can be written there:
#        docker run --rm --network none --user "$(id -u)" -v DIR:/in -v DIR:/out exray --model_filepath /in/model.pt
#          --examples_dirpath /in/clean_example_data --scratch_dirpath /tmp --result_filepath /out/p.txt
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /exray
COPY constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url ${TORCH_INDEX} torch torchvision
COPY pyproject.toml setup.py README.md LICENSE ./
COPY exray exray
COPY conf conf
RUN pip install --no-cache-dir -c constraints.txt .
USER nobody
ENV HOME=/tmp
ENTRYPOINT ["exray-trojai"]
