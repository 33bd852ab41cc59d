"""moto's S3 on a port of this machine, and boto3 as another client of it.

Prints the port; then runs each program that stdin gives as a line of JSON, with `s3` (boto3's client), `bucket` and what
`args` has, and answers with the JSON of what the program left in `result`.
"""

import json
import sys
import traceback

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
)
print(json.dumps({"port": port}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    scope = {"s3": s3, **asked["args"]}
    try:
        exec(asked["program"], scope)
        print(json.dumps({"result": scope.get("result")}), flush=True)
    except Exception:
        print(json.dumps({"error": traceback.format_exc()}), flush=True)
