# A client on python websockets: client.py URL DEFLATE. It tries an echo server
# and prints a line for each step.
import asyncio, hashlib, sys, websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

url, deflate = sys.argv[1:]
big = bytes((i * i) >> 7 & 255 for i in range(1 << 20))

async def main():
    # With a window of 1 KiB, so that it shows whether the server keeps to it.
    offer = [ClientPerMessageDeflateFactory(server_max_window_bits=10)] if deflate == "true" else []
    options = dict(compression=None, extensions=offer, max_size=4 << 20)
    async with websockets.connect(url, subprotocols=["other", "chat"], **options) as ws:
        print("open", ws.subprotocol, ws.response_headers.get("Sec-WebSocket-Extensions", "-"))
        for message in ["Grüße", "", big, big.hex(), ["in ", "two"]]:
            await ws.send(message)
            back = await ws.recv()
            data = back.encode() if isinstance(back, str) else back
            print("text" if isinstance(back, str) else "binary", len(data), hashlib.sha256(data).hexdigest()[:8])
        await asyncio.wait_for(await ws.ping("now"), 5)
        print("pong now")
        await ws.close(4001, "bye")
        print("close", ws.close_code, ws.close_reason)

asyncio.run(main())
