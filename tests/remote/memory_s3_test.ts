import { assertEquals } from "@std/assert";
import { runPython } from "../_python.ts";
import { MemoryS3 } from "./servers/memory_s3.ts";
import { remotePython } from "./servers/moto.ts";

/** boto3 as the client of a store: what it puts there in parts and as a whole, what it reads and lists, what it is refused. */
const PROGRAM = `
import base64, json, sys, zlib, boto3
from botocore.config import Config
from botocore.exceptions import ClientError
s3 = boto3.client("s3", endpoint_url=sys.argv[1], aws_access_key_id="a", aws_secret_access_key="b",
                  region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
s3.create_bucket(Bucket="team")
s3.put_object(Bucket="team", Key="run/a b.txt", Body=b"text", Metadata={"plan": "1"})
for name in ("run/x", "run/deep/y", "run/deep/z", "other"):
    s3.put_object(Bucket="team", Key=name, Body=name.encode())
head = s3.head_object(Bucket="team", Key="run/a b.txt")
parts = [bytes([7]) * (5 << 20), b"end"]
def crc(b): return base64.b64encode(zlib.crc32(b).to_bytes(4, "big")).decode()
upload = s3.create_multipart_upload(Bucket="team", Key="big", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
named = []
for number, body in enumerate(parts, 1):
    sent = s3.upload_part(Bucket="team", Key="big", UploadId=upload["UploadId"], PartNumber=number, Body=body,
                          ChecksumCRC32=crc(body))
    named.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": crc(body)})
listed = s3.list_parts(Bucket="team", Key="big", UploadId=upload["UploadId"])["Parts"]
def refused(call, **options):
    try:
        call(Bucket="team", Key="big", **options)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]
wrong = [{**named[0], "ETag": '"0"'}]
refusals = [
    refused(s3.upload_part, UploadId=upload["UploadId"], PartNumber=1, Body=b"x", ChecksumCRC32=crc(b"y")),
    refused(s3.complete_multipart_upload, UploadId=upload["UploadId"], MultipartUpload={"Parts": wrong}),
    refused(s3.complete_multipart_upload, UploadId="none", MultipartUpload={"Parts": named}),
]
open_before = [u["Key"] for u in s3.list_multipart_uploads(Bucket="team")["Uploads"]]
done = s3.complete_multipart_upload(Bucket="team", Key="big", UploadId=upload["UploadId"],
                                    MultipartUpload={"Parts": named}, ChecksumCRC32=crc(b"".join(parts)))
listing = s3.list_objects_v2(Bucket="team", Prefix="run/", Delimiter="/")
paged = [e["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="team", PaginationConfig={"PageSize": 2})
         for e in page["Contents"]]
print(json.dumps({
    "metadata": head["Metadata"], "size": head["ContentLength"],
    "range": s3.get_object(Bucket="team", Key="big", Range="bytes=5242878-5242881")["Body"].read().hex(),
    "whole": s3.get_object(Bucket="team", Key="big")["Body"].read() == b"".join(parts),
    "listed": [p["Size"] for p in listed] + [p["ChecksumCRC32"] == crc(b) for p, b in zip(listed, parts)],
    "refusals": refusals, "open": open_before, "crc": done["ChecksumCRC32"] == crc(b"".join(parts)),
    "keys": [e["Key"] for e in listing["Contents"]], "folders": [e["Prefix"] for e in listing["CommonPrefixes"]],
    "paged": paged,
}))
`;

Deno.test({
  name: "MemoryS3 does for boto3 what S3 does",
  ignore: remotePython() === undefined,
  fn: async () => {
    await using server = new MemoryS3();
    assertEquals(JSON.parse(await runPython(PROGRAM, [server.endpoint], remotePython())), {
      metadata: { plan: "1" },
      size: 4,
      range: "0707656e",
      whole: true,
      listed: [5 << 20, 3, true, true],
      refusals: ["BadDigest", "InvalidPart", "NoSuchUpload"],
      open: ["big"],
      crc: true,
      keys: ["run/a b.txt", "run/x"],
      folders: ["run/deep/"],
      paged: ["big", "other", "run/a b.txt", "run/deep/y", "run/deep/z", "run/x"],
    });
    assertEquals(server.openUploads("team"), []);
  },
});
