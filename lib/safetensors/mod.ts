/**
 * safetensors files: opened by their header alone.
 *
 * @module
 */

export { openSafetensors, type SafetensorsFile } from "./safetensors_file.ts";
export { SafetensorsError, type SafetensorsProblem } from "./error.ts";
