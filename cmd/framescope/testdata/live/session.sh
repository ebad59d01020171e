# Real clients and servers on loopback, captured meanwhile: run in a network
# namespace of its own, in the folder of these files, with the command as $FS
# and a folder for what comes of it as $OUT.
set -eu
export NODE_PATH=/usr/share/nodejs
ip link set lo up
$FS capture -i lo -w "$OUT/live.pcapng" --print -o jsonl --payload sha256 "$@" >"$OUT/live.jsonl" 2>"$OUT/live.err" &
capture=$!
for _ in $(seq 100); do
  grep -q 'capturing on' "$OUT/live.err" && break
  sleep 0.05
done

serve() { # command: leaves the port in $port, and the server's input in fd $1
  rm -f "$OUT/in.$1" "$OUT/port.$1"
  mkfifo "$OUT/in.$1"
  "$2" "$3" <"$OUT/in.$1" >"$OUT/port.$1" &
  eval "exec $1>\"$OUT/in.$1\""
  for _ in $(seq 100); do
    [ -s "$OUT/port.$1" ] && break
    sleep 0.05
  done
  port=$(cat "$OUT/port.$1")
}
serve 8 node server.js; node=$port
serve 9 /usr/bin/python3 server.py; python=$port
node client.js "$node"
/usr/bin/python3 client.py "$python"
node client.js "$python"
/usr/bin/python3 client.py "$node"
curl -s -o /dev/null -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
  -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' --max-time 0.3 "http://127.0.0.1:$node/curl" || [ $? = 28 ]
curl -s -o /dev/null "http://127.0.0.1:$node/plain"
exec 8>&- 9>&-
kill -INT $capture
wait $capture
