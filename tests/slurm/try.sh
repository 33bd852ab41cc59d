#!/usr/bin/env bash
# Tries the recipes of docs/cluster.md, word for word, on a Slurm of one node that it sets up for itself.
#
# To be run on demand, as root, on Debian: it installs slurm-wlm, munge and parallel with apt-get. The
# daemons get their own configuration, key and ports in a temporary directory, and are stopped in the end.
#
#   tests/slurm/try.sh            # DENO=… names the deno to use; TMPDIR=… where about 4 GB are free
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
deno=$(command -v "${DENO:-deno}")
export NO_COLOR=1 DEBIAN_FRONTEND=noninteractive

missing=()
for package in slurmctld slurmd slurm-client munge parallel; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  # RUNLEVEL=1: the packages' own daemons are not wanted.
  apt-get update -qq
  RUNLEVEL=1 apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
fi

work=$(mktemp -d)
chmod 755 "$work"
daemons=()
stop() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${daemons[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT
fail() {
  echo "FAILED: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

# Slurm: one node that claims eight CPUs, so that eight tasks run at once.
host=$(hostname -s)
mkdir -p "$work"/{munge,state,spool,bin}
chown munge: "$work/munge"
chmod 755 "$work/munge"
dd if=/dev/urandom of="$work/munge/key" bs=128 count=1 status=none
chown munge: "$work/munge/key"
chmod 400 "$work/munge/key"
cat >"$work/slurm.conf" <<CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$work/slurm.conf"

# In the foreground, so that their process ids are known.
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force \
  --socket="$work/munge/socket" --key-file="$work/munge/key" --pid-file="$work/munge/pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed" 2>"$work/munged.log" &
daemons+=($!)
for _ in $(seq 50); do [ -S "$work/munge/socket" ] && break; sleep 0.1; done
slurmctld -D 2>"$work/slurmctld.err.log" &
daemons+=($!)
slurmd -D 2>"$work/slurmd.err.log" &
daemons+=($!)
for _ in $(seq 300); do
  [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
  sleep 0.1
done
[ "$(sinfo --noheader --format=%T)" = idle ] || fail "the node isn't idle: $(sinfo)"

# The command, and a checkpoint in eight shards.
printf '#!/bin/sh\nexec %q run --quiet -A %q "$@"\n' "$deno" "$root/cli.ts" >"$work/bin/ckpt"
chmod +x "$work/bin/ckpt"
export PATH="$work/bin:$PATH"
cd "$work"
mkdir -p run
"$deno" run --quiet -A "$root/tests/bench/make_checkpoint.ts" \
  --model llama3_2_1b --layers 1 --shards 8 --fill random run/checkpoints >/dev/null
mv run/checkpoints/step_1 run/checkpoints/step_1000
ckpt llama convert_checkpoint --quiet run/checkpoints/step_1000 reference

# The recipes: the code blocks of the document, by how they begin.
recipe() {
  awk -v begin="$1" '
    /^```/ { inside = !inside; block = ""; next }
    inside { block = block $0 "\n"; if (block == $0 "\n" && index($0, begin) == 1) take = 1 }
    inside && take { print }
    !inside { take = 0 }
  ' "$root/docs/cluster.md"
}
whole() {
  diff -r reference llama || fail "$1: the output isn't what one run makes"
  [ ! -e llama.partial ] || fail "$1: llama.partial is left"
  echo "$1: as one run makes it"
}

echo "$(. /etc/os-release && echo "$PRETTY_NAME"), $("$deno" --version | head -n 1), $(sinfo --version), $(munged --version | head -n 1), $(parallel --version | head -n 1)"
du --apparent-size -sh run/checkpoints/step_1000

recipe '#!/bin/bash' >convert.sh
echo "--- convert.sh, as a job array"
bash -euc "$(recipe sbatch)" || fail "the job array"
whole "job array"
# Each task says what has become of it.
grep -hoE '^(Converted|Share done)' ckpt-*_*.log | sort | uniq -c

echo "--- without task 3, which is run afterwards; then one more that comes late"
rm -rf llama ckpt-*.log
sbatch --wait --quiet --array=1,2,4-8 convert.sh run/checkpoints/step_1000 llama || fail "seven tasks"
[ ! -e llama ] || fail "llama is there too early"
ls llama.partial
sbatch --wait --quiet --array=3 convert.sh run/checkpoints/step_1000 llama || fail "task 3"
whole "task 3"
sbatch --wait --quiet --array=5 convert.sh run/checkpoints/step_1000 llama || fail "task 5, late"
whole "task 5, late"

echo "--- a task that is killed and run again"
rm -rf llama ckpt-*.log
sbatch --parsable --array=1-8 --begin=now+1 convert.sh run/checkpoints/step_1000 llama >job
while [ -z "$(squeue --noheader --states=R --array --job "$(cat job)")" ]; do sleep 0.05; done
scancel --signal=KILL --full "$(cat job)_2" || true
while [ -n "$(squeue --noheader --job "$(cat job)" 2>/dev/null)" ]; do sleep 0.2; done
ls -d llama llama.partial 2>/dev/null || true
sbatch --wait --quiet --array=2 convert.sh run/checkpoints/step_1000 llama || fail "task 2, again"
whole "task 2, again"

echo "--- srun"
rm -rf llama
bash -euc "$(recipe srun)" || fail "srun"
whole "srun"

echo "--- parallel"
rm -rf llama
bash -euc "$(recipe parallel)" || fail "parallel"
whole "parallel"
echo "all recipes work"
