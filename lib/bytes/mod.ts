/**
 * Where bytes are read from: files, and web servers.
 *
 * @module
 */

export { type ByteSource, FileSource, type OpenSource, type SourceFile } from "./source.ts";
export { type HttpOptions, openHttpSource } from "./http_source.ts";
