/** One tensor in another dtype, whatever the length of its rows, and out of blocks of quantized numbers as well. */

import { bytes, type CastType, castTypeBytes, MAX_ROW_BYTES, viewBytes } from "../bytes/view.ts";
import { FormatError } from "../error.ts";
import { isTooExpanded, MAX_EXPANDED_BYTES } from "../inspect/file_tensors.ts";
import { castTensor, castView } from "../layouts/cast.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import { dtypeOf } from "../tensor/dtype.ts";
import { cutView, numel, type Tensor, tensorOfView } from "../tensor/tensor.ts";

/**
 * A tensor in another dtype.
 *
 * @returns The tensor; it is the same where it has that dtype.
 * @throws {OptionError} If its dtype can't be converted.
 * @throws {FormatError} If its rows are too long, or it repeats the items of its storage beyond measure.
 */
export function castTo(tensor: Tensor, to: CastType, name: string): Tensor {
  const { dtype, shape, requiresGrad, isParameter } = tensor;
  if (isTooExpanded(tensor)) {
    throw new FormatError(
      `${name}: repeats the items of its storage (torch's expand) to more than ${MAX_EXPANDED_BYTES} bytes, ` +
        "each of which would be converted; save it with tensor.clone()",
    );
  }
  const view = cutView(tensor, Math.max(dtype.itemBytes, castTypeBytes("float32")));
  const format = quantizationOf(dtype);
  if (format !== undefined && view.op === "bytes") {
    const rows = numel(shape.slice(0, -1));
    const blocks = bytes(view.path, view.offset, rows, rows === 0 ? 0 : viewBytes(view) / rows);
    const numbers = castView(blocks, format, "float32", name);
    return castTensor(tensorOfView(dtypeOf("float32"), shape, numbers), to, name);
  }
  // The rows of a plain run mean nothing.
  if (view.op === "bytes" && view.rowBytes > MAX_ROW_BYTES / 4) {
    const items = bytes(view.path, view.offset, numel(shape), dtype.itemBytes);
    const flat = castTensor(
      { ...tensorOfView(dtype, [numel(shape)], items), requiresGrad, isParameter },
      to,
      name,
    );
    return flat.dtype === dtype
      ? tensor
      : { ...flat, ...tensorOfView(flat.dtype, shape, flat.storage.view), requiresGrad, isParameter };
  }
  if (view.op === "bytes" || dtype.name === to) return castTensor(tensor, to, name);
  return castTensor({ ...tensorOfView(dtype, shape, view), requiresGrad, isParameter }, to, name);
}
