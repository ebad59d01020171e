# The servers of testdata/framings on loopback, captured meanwhile with their framings:
# run in a network namespace of its own, in the folder of these files, with the command
# as $FS, servers.py as $SERVERS, and a folder for what comes of it as $OUT.
set -eu
ip link set lo up
$FS capture -i lo -w "$OUT/live.pcapng" --print -o jsonl --select all "$@" >"$OUT/live.jsonl" 2>"$OUT/live.err" &
capture=$!
for _ in $(seq 100); do
  grep -q 'capturing on' "$OUT/live.err" && break
  sleep 0.05
done
for session in transfer chunks search-big search-little; do
  /usr/bin/python3 "$SERVERS" $session >"$OUT/$session.txt"
done
kill -INT $capture
wait $capture
