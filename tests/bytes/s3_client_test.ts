import { assertEquals, assertThrows } from "@std/assert";
import { describeS3Failure, isPassing, parseS3 } from "../../lib/bytes/s3_client.ts";
import { FileError } from "../../lib/error.ts";

/** An error as the SDK throws it. */
function failure(name: string, status?: number, message = "because", code?: string): Error {
  return Object.assign(new Error(message), { name, code, $metadata: { httpStatusCode: status } });
}

Deno.test("parseS3() takes a URL apart", () => {
  assertEquals(parseS3("s3://b/run 7/step_1000//"), { bucket: "b", key: "run 7/step_1000" });
  assertEquals(parseS3("s3://b"), { bucket: "b", key: "" });
  assertThrows(() => parseS3("s3:///key"), FileError, "s3:///key: names no bucket; write s3://bucket/prefix");
});

Deno.test("isPassing() tells what may work again from what won't", () => {
  for (const status of [429, 500, 503]) assertEquals(isPassing(failure("X", status)), true);
  for (const status of [301, 400, 403, 404, 412]) assertEquals(isPassing(failure("X", status)), false);
  assertEquals(isPassing(failure("Error", undefined, "read ECONNRESET", "ECONNRESET")), true);
  assertEquals(isPassing(failure("TimeoutError")), true);
  assertEquals(isPassing(failure("CredentialsProviderError")), false);
});

Deno.test("describeS3Failure() says in a line what is wrong and what to do", () => {
  const said = (error: Error, action = "s3:GetObject") =>
    describeS3Failure("s3://b/k", action, error).message;
  const cases: [Error, string][] = [
    [failure("NoSuchBucket", 404), "there is no bucket b; check the name, and AWS_ENDPOINT_URL"],
    [failure("NoSuchKey", 404), "no such object or prefix; check the path"],
    [failure("AccessDenied", 403), "permission denied: the credentials need s3:GetObject (HTTP 403)"],
    [
      failure("ExpiredToken", 400),
      "the credentials are expired (ExpiredToken); get new ones, as by aws sso login",
    ],
    [
      failure("PreconditionFailed", 412),
      "the object changed while it was read; wait until its writer is done, then run this again",
    ],
    [failure("PermanentRedirect", 301), "the bucket is in another region; set AWS_REGION to that"],
    [
      failure("Error", undefined, "Region is missing"),
      "no region is set; set AWS_REGION to that of the bucket",
    ],
  ];
  for (const [error, text] of cases) assertEquals(said(error), `s3://b/k: ${text}`);
  assertEquals(
    said(failure("QuotaExceeded", 403), "s3:PutObject"),
    "s3://b/k: the store takes no more (QuotaExceeded); free space or raise the quota, and run this again",
  );
});
