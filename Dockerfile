# hpcsim with its simulators, as an ordinary user. NEST here is the wheel, without MPI.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN python -m venv /opt/hpcsim && /opt/hpcsim/bin/pip install --no-cache-dir -c constraints.txt '.[nest,neuron,inference]'

FROM python:3.11-slim
# NEURON compiles its mechanisms where it runs
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home hpcsim
COPY --from=build /opt/hpcsim /opt/hpcsim
ENV PATH=/opt/hpcsim/bin:$PATH
USER hpcsim
WORKDIR /home/hpcsim
ENTRYPOINT ["hpcsim"]
CMD ["--help"]
