/**
 * What torch says of tensors, in float64.
 *
 * @module
 */

/**
 * Makes `a.safetensors`, `b.safetensors` and `strided.pt` in a directory with tensors of all kinds that numbers can be: normal and
 * subnormal, zeros of either sign, infinities, NaN with payloads, none at all; and prints what torch says of each.
 */
export const STATISTICS_TRUTH = `
import json, sys, torch
from safetensors.torch import save_file
torch.manual_seed(0)
directory = sys.argv[1]

def tensors():
    made = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        name = str(dtype)[6:]
        matrix = torch.randn(300, 1000, dtype=torch.float64) * 0.02 + 0.001
        matrix[17] = 0
        matrix[18] = -0.0
        made["matrix." + name] = matrix.to(dtype)
        damaged = torch.randn(50, 7, dtype=torch.float64).to(dtype)
        damaged[3, 4] = float("nan")
        damaged[5, 6] = float("inf")
        damaged[2, 1] = -float("inf")
        made["damaged." + name] = damaged
        made["ones." + name] = torch.ones(4097, dtype=dtype)
        made["scalar." + name] = torch.tensor(3.5, dtype=dtype)
        made["empty." + name] = torch.empty(0, 4, dtype=dtype)
        made["cube." + name] = torch.randn(3, 5, 7, dtype=torch.float64).to(dtype)
        limits = torch.finfo(dtype)
        tiny = torch.tensor([limits.tiny, 0.0, -0.0], dtype=dtype)
        bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
        made["subnormal." + name] = torch.cat([tiny, tiny / 2, -tiny / 4, torch.tensor([1, 3, 77], dtype=bits).view(dtype)])
        if dtype != torch.float64:
            made["limits." + name] = torch.tensor([limits.max, -limits.max, limits.tiny, 1.0], dtype=dtype)
        nan = {2: 0x7F81, 4: 0x7F800001, 8: 0x7FF0000000000001}[dtype.itemsize] if dtype != torch.float16 else 0x7C01
        made["payload." + name] = torch.tensor([0, nan, nan | 2, nan - 1], dtype=bits).view(dtype)
    made["long"] = torch.randn(2, 400000)
    made["long.bfloat16"] = torch.randn(3, 300001).to(torch.bfloat16)
    made["long.zeros"] = torch.zeros(2, 9000000, dtype=torch.bfloat16)
    made["long.zeros"][1, 8999999] = 1
    made["vector"] = torch.randn(3000000).to(torch.bfloat16)
    made["zeros"] = torch.zeros(3, 5)
    made["ints"] = torch.arange(-5, 1000).reshape(5, -1)
    made["bytes"] = torch.arange(0, 200, dtype=torch.uint8)
    made["flags"] = torch.tensor([True, False, True])
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        made[str(dtype)[6:]] = torch.arange(0, 256, dtype=torch.uint8).reshape(16, 16).view(dtype)
    return made

def first(where):
    found = where.nonzero()
    return found[0].tolist() if len(found) else None

def scaled(numbers, of):
    # The squares of subnormal numbers are none.
    factor = 2.0 ** 600 if numbers.abs().max() < 2.0 ** -600 else 1
    return of(numbers * factor).item() / factor

def statistics(tensor):
    numbers = tensor.double()
    finite = numbers[numbers.isfinite()]
    has = finite.numel() > 0
    magnitude = finite[finite != 0].abs()
    dtype = tensor.dtype
    return {
        "dtype": str(dtype)[6:],
        "shape": list(tensor.shape),
        "count": tensor.numel(),
        "min": finite.min().item() if has else None,
        "max": finite.max().item() if has else None,
        "mean": finite.mean().item() if has else None,
        "std": scaled(finite, lambda x: x.std(correction=0)) if has else None,
        "l2": scaled(finite, lambda x: x.norm()) if has else None,
        "absMax": finite.abs().max().item() if has else None,
        "zeros": int((numbers == 0).sum()),
        "subnormals": int((magnitude < torch.finfo(dtype).tiny).sum()) if dtype.is_floating_point else 0,
        "nan": int(numbers.isnan().sum()),
        "inf": int(numbers.isinf().sum()),
        "negativeInf": int((numbers == -float("inf")).sum()),
        "firstNan": first(numbers.isnan()),
        "firstInf": first(numbers.isinf()),
        "zeroRows": int((numbers == 0).all(-1).sum()) if numbers.numel() else 0,
        "exponents": {
            sign: dict(zip(*[each.tolist() for each in torch.unique(torch.frexp(part.abs())[1] - 1, return_counts=True)]))
            for sign, part in (("negative", finite[finite < 0]), ("positive", finite[finite > 0]))
        },
    }

def movement(a, b):
    bits = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.uint8}[a.element_size()]
    same = (a.view(bits) == b.view(bits)) if a.dtype == b.dtype else a.double() == b.double()
    count = a.numel()
    x, y = a.double().flatten(), b.double().flatten()
    finite = x.isfinite() & y.isfinite()
    x, y = x[finite], y[finite]
    return {
        "dtypes": [str(a.dtype)[6:], str(b.dtype)[6:]],
        "shape": list(a.shape),
        "count": count,
        "maxAbsDiff": (y - x).abs().max().item() if x.numel() else (0 if count else None),
        "relativeL2": ((y - x).norm() / x.norm()).item() if x.norm() > 0 else 0 if not (y - x).norm() > 0 else None,
        "cosine": (x @ y / (x.norm() * y.norm())).item() if x.norm() > 0 and y.norm() > 0 else None,
        "equalShare": same.double().mean().item() if count else None,
        "nonFinite": int((~finite).sum()),
    }

a = tensors()
def moved(tensor):
    if tensor.numel() == 0 or not tensor.dtype.is_floating_point or tensor.element_size() == 1 or tensor.double().abs().max() < 1e-300:
        return tensor.clone()
    noise = 1e-3 * torch.randn(tensor.shape, dtype=torch.float64)
    noise[torch.rand(tensor.shape) < 0.5] = 0
    return (tensor.double() + noise).to(tensor.dtype)
b = {name: moved(tensor) for name, tensor in a.items()}
b["matrix.float32"] = b["matrix.float32"].bfloat16()
b["matrix.float64"] = b["matrix.float64"].float()
b["zeros"][0, 0] = 1
save_file(a, directory + "/a.safetensors")
save_file(b, directory + "/b.safetensors")
# As they lie in a file, one with its dimensions swapped, and one that skips numbers.
whole = torch.randn(200, 301)
whole[17, 200] = float("nan")
whole[11, 204] = float("inf")
strided = {"swapped": whole.t(), "skipping": whole[1::2, ::4], "halves": whole.bfloat16().t()}
torch.save(strided, directory + "/strided.pt")
print(json.dumps({
    "statistics": {name: statistics(tensor) for name, tensor in a.items()},
    "strided": {name: statistics(tensor) for name, tensor in strided.items()},
    "movements": {name: movement(tensor, b[name]) for name, tensor in a.items()},
}))
`;
