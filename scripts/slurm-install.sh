#!/usr/bin/env bash
# What the tests on a real Slurm need: Debian's packages. Nothing is configured or started; each test process starts its own.
set -euo pipefail

missing=0
for tool in munged slurmctld slurmd sbatch slurmdbd mariadbd mariadb; do
    PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || missing=1
done
if [ "$missing" = 1 ]; then
    "$(dirname "${BASH_SOURCE[0]}")/debian-install.sh" slurm-wlm munge \
        slurmdbd slurm-wlm-mysql-plugin mariadb-server-core mariadb-client-core
fi
