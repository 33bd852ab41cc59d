import { assertEquals } from "@std/assert";
import { llama3ChatTemplate } from "../../lib/tokenizers/chat_templates.ts";

/** SHA-256 of the templates as they are published, in UTF-8. */
const published = {
  "3": "ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122",
  "3.1": "e10ca381b1ccc5cf9db52e371f3b6651576caee0a630b452e2816b2d404d4b65",
  "3.2": "5816fce10444e03c2e9ee1ef8a4a1ea61ae7e69e438613f3b17b69d0426223a4",
  "3.3": "e10ca381b1ccc5cf9db52e371f3b6651576caee0a630b452e2816b2d404d4b65",
} as const;

Deno.test("llama3ChatTemplate() gives every published template to the last byte", async () => {
  for (const version of ["3", "3.1", "3.2", "3.3"] as const) {
    const text = new TextEncoder().encode(llama3ChatTemplate(version));
    assertEquals(new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex(), published[version]);
  }
});
