# hpcsim with its simulators, MPI, and a Slurm for trial.
#
#     docker build -t hpcsim .
#     docker run --rm --init -u "$(id -u):$(id -g)" -v "$PWD:/work" hpcsim run quickstart
#     docker run --rm --init -it hpcsim slurm-demo
#
# Wheels in the folder wheels/ are installed before all others. The CPU build of torch belongs there: the one of PyPI brings
# gigabytes for GPUs that nothing here uses. Else: --build-arg PIP_EXTRA_INDEX_URL=(where PyTorch keeps its CPU builds).
ARG BASE=python:3.11-slim-bookworm

# NEST with MPI, which PyPI has not: 22 CPU-minutes, unless wheels/ has it
FROM ${BASE} AS nest
WORKDIR /src
COPY scripts/build-nest-mpi.sh scripts/debian-install.sh scripts/
COPY constraints.txt ./
COPY constraints.txt wheels*/nest_simulator-*.whl wheels/
RUN if ! ls wheels/*.whl >/dev/null 2>&1; then \
        HPCSIM_CACHE=/cache scripts/build-nest-mpi.sh && find /cache -name '*.whl' -exec mv {} wheels/ \; ; \
    fi

FROM ${BASE} AS build
ARG EXTRAS=nest,neuron,brian2,inference,sbi,nwb,slurm,mpi
ARG PIP_EXTRA_INDEX_URL
ENV HPCSIM_CACHE=/opt/hpcsim/cache
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && rm -rf /var/lib/apt/lists/* \
    && python -m venv --without-pip /opt/hpcsim
WORKDIR /src
COPY --from=nest /src/wheels/ wheels/
COPY constraints.txt wheels*/ wheels/
RUN pip --python /opt/hpcsim/bin/python install --no-cache-dir -c wheels/constraints.txt wheels/*.whl
# the dependencies of an empty hpcsim: a change of hpcsim itself leaves these layers as they are
COPY pyproject.toml setup.py README.md LICENSE constraints.txt ./
RUN mkdir hpcsim jobs params mod \
    && pip --python /opt/hpcsim/bin/python install --no-cache-dir -c constraints.txt ".[$EXTRAS]"
COPY hpcsim hpcsim/
COPY jobs jobs/
COPY params params/
COPY mod mod/
RUN pip --python /opt/hpcsim/bin/python install --no-cache-dir --no-deps --force-reinstall . \
    # mechanisms, compiled once for all users of the image; others are added by whoever runs it
    && cd / && /opt/hpcsim/bin/hpcsim plan hagen_kernel --prepare --dir /tmp/kernel && rm -rf /tmp/kernel \
    && chmod -R a+rwX "$HPCSIM_CACHE"

FROM ${BASE}
# NEST's libraries; the compiler that NEURON and Brian2 call where they run; Slurm for `hpcsim slurm-demo`
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make libgsl27 libltdl7 slurm-wlm munge \
    && rm -rf /var/lib/apt/lists/* \
    # any user may take the place of this one
    && useradd --create-home hpcsim && mkdir /work && chmod 1777 /home/hpcsim /work \
    # where the MPI of PyPI is, for NEST and NEURON
    && echo /opt/hpcsim/lib >/etc/ld.so.conf.d/hpcsim.conf
COPY --from=build /opt/hpcsim /opt/hpcsim
RUN ldconfig
ENV PATH=/opt/hpcsim/bin:$PATH \
    HPCSIM_CACHE=/opt/hpcsim/cache HPCSIM_CACHE_SHARED=1 \
    HOME=/home/hpcsim
USER hpcsim
WORKDIR /work
ENTRYPOINT ["hpcsim"]
CMD ["--help"]
