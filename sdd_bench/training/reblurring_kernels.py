"""The Triton kernels of `sdd_bench.training.fused_reblurring`: isotropic blurring, and both of its gradients.

All take contiguous tensors of one floating-point dtype and the tables of where rings and corners have their pixels.
Their loops are alike: over the whole radii k = 0 ... j of a kernel of radius j; over the rings from k to k + 1 (of
k = j there is one); over a ring's pixels. Between k and k + 1 the exponent is interpolated between seeds k and k + 1;
at k = j, and where the fraction is 0, the second one does not count.
"""

import triton
import triton.language as tl

# Why sides are not specialised on: where they are known to be multiples of 16, Triton has each thread hold four
# neighbouring pixels, and what belongs to a pixel changes hands within the innermost loop.


@triton.jit(do_not_specialize_on_alignment=["height", "width"])
def forward(
    image,
    seeds,
    out,
    fractions,
    first,
    members,
    corners,
    across,
    down,
    height,
    width,
    channels,
    radii,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    """The picture blurred by the kernel of one radius, at a block of pixels."""
    n, j = tl.program_id(1).to(tl.int64), tl.program_id(2) + 1
    area = height * width
    pixel = tl.program_id(0) * block + tl.arange(0, block)
    channel = tl.arange(0, padded)
    own = seeds + (n * _channels(radii) + _channels(j)) * area + pixel
    picture = image + n * channels * area
    peak = _peak(own, area, j, pixel < area)
    total = tl.zeros_like(peak)
    summed = tl.zeros((padded, block), peak.dtype)
    for k in range(0, j + 1):
        low, high = _pair(own, area, k, j, pixel < area)
        for ring in range(tl.load(first + k), _ring_after(first, k, j)):
            weight = tl.exp(low + tl.load(fractions + ring) * (high - low) - peak)
            begin, end = tl.load(members + ring), tl.load(members + ring + 1)
            held = _sum(picture, across, down, begin, end, pixel, channel, height, width, channels, summed)
            total += weight * (end - begin)
            summed += weight[None, :] * held
    weight = tl.exp(-peak)
    begin, end = tl.load(corners + j), tl.load(corners + j + 1)
    held = _sum(picture, across, down, begin, end, pixel, channel, height, width, channels, summed)
    total += weight * (end - begin)
    summed += weight[None, :] * held
    place = ((n * radii + j) * channels + channel[:, None]) * area + pixel[None, :]
    tl.store(out + place, summed / total[None, :], (channel < channels)[:, None] & (pixel < area)[None, :])


@triton.jit(do_not_specialize_on_alignment=["height", "width"])
def backward_seeds(
    image,
    seeds,
    out,
    gradient,
    received,
    peaks,
    to_seeds,
    fractions,
    first,
    members,
    corners,
    across,
    down,
    height,
    width,
    channels,
    radii,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    """The gradient of the seeds of one kernel at a block of pixels, and what `backward_image` needs of it."""
    n, j = tl.program_id(1).to(tl.int64), tl.program_id(2) + 1
    area = height * width
    pixel = tl.program_id(0) * block + tl.arange(0, block)
    channel = tl.arange(0, padded)
    first_seed = (n * _channels(radii) + _channels(j)) * area + pixel
    own = seeds + first_seed
    picture = image + n * channels * area
    peak = _peak(own, area, j, pixel < area)
    total = tl.exp(-peak) * (tl.load(corners + j + 1) - tl.load(corners + j))
    for k in range(0, j + 1):
        low, high = _pair(own, area, k, j, pixel < area)
        for ring in range(tl.load(first + k), _ring_after(first, k, j)):
            weight = tl.exp(low + tl.load(fractions + ring) * (high - low) - peak)
            total += weight * (tl.load(members + ring + 1) - tl.load(members + ring))
    there = (channel < channels)[:, None] & (pixel < area)[None, :]
    place = ((n * radii + j) * channels + channel[:, None]) * area + pixel[None, :]
    share = tl.load(gradient + place, there, 0.0) / total[None, :]
    # The derivative of the quotient: what a ring holds, less what it holds on average.
    average = tl.sum(share * tl.load(out + place, there, 0.0), 0)
    kernel = n * (radii - 1) + j - 1
    tl.store(received + (kernel * channels + channel[:, None]) * area + pixel[None, :], share, there)
    tl.store(peaks + kernel * area + pixel, peak, pixel < area)
    beyond = tl.zeros_like(peak)
    for k in range(0, j + 1):
        low, high = _pair(own, area, k, j, pixel < area)
        here = beyond
        beyond = tl.zeros_like(peak)
        for ring in range(tl.load(first + k), _ring_after(first, k, j)):
            fraction = tl.load(fractions + ring)
            weight = tl.exp(low + fraction * (high - low) - peak)
            begin, end = tl.load(members + ring), tl.load(members + ring + 1)
            held = _sum(picture, across, down, begin, end, pixel, channel, height, width, channels, share)
            changed = weight * (tl.sum(share * held, 0) - average * (end - begin))
            here += (1 - fraction) * changed
            beyond += fraction * changed
        seed = tl.load(own + k * area, pixel < area, 0.0)
        signed = tl.where(seed > 0, here, tl.where(seed < 0, -here, 0.0))
        tl.store(to_seeds + first_seed + k * area, signed, pixel < area)


@triton.jit(do_not_specialize_on_alignment=["height", "width"])
def backward_image(
    seeds,
    gradient,
    received,
    peaks,
    to_image,
    fractions,
    first,
    members,
    corners,
    across,
    down,
    height,
    width,
    channels,
    radii,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    """The gradient of the picture at a block of pixels, from all kernels around."""
    n = tl.program_id(1).to(tl.int64)
    area = height * width
    pixel = tl.program_id(0) * block + tl.arange(0, block)
    channel = tl.arange(0, padded)
    x, y = pixel % width, pixel // width
    there = (channel < channels)[:, None] & (pixel < area)[None, :]
    # The kernels are symmetric: a pixel receives from those around it what they took from it.
    taken = tl.load(gradient + (n * radii * channels + channel[:, None]) * area + pixel[None, :], there, 0.0)
    for j in range(1, radii):
        own = seeds + (n * _channels(radii) + _channels(j)) * area
        kernel = n * (radii - 1) + j - 1
        shares, peak = received + (kernel * channels + channel[:, None]) * area, peaks + kernel * area
        for k in range(0, j + 1):
            for ring in range(tl.load(first + k), _ring_after(first, k, j)):
                fraction = tl.load(fractions + ring)
                for member in range(tl.load(members + ring), tl.load(members + ring + 1)):
                    other, inside = _neighbour(x, y, across, down, member, height, width)
                    low, high = _pair(own + other, area, k, j, inside)
                    weight = tl.exp(low + fraction * (high - low) - tl.load(peak + other, inside, 0.0))
                    share = tl.load(shares + other[None, :], inside[None, :] & (channel < channels)[:, None], 0.0)
                    taken += weight[None, :] * share
        for member in range(tl.load(corners + j), tl.load(corners + j + 1)):
            other, inside = _neighbour(x, y, across, down, member, height, width)
            weight = tl.exp(-tl.load(peak + other, inside, 0.0))
            share = tl.load(shares + other[None, :], inside[None, :] & (channel < channels)[:, None], 0.0)
            taken += weight[None, :] * share
    tl.store(to_image + (n * channels + channel[:, None]) * area + pixel[None, :], taken, there)


@triton.jit
def _channels(radii):
    """Seeds of all kernels before that of this radius; see `seed_channels`."""
    return radii * (radii + 1) // 2 - 1


@triton.jit
def _ring_after(first, k, j):
    """The ring after the last one from radius k to k + 1 that a kernel of radius j has."""
    return tl.where(k < j, tl.load(first + tl.minimum(k + 1, j)), tl.load(first + j) + 1)


@triton.jit
def _peak(own, area, j, wanted):
    """The largest of a kernel's seeds: taken off all exponents, it makes the largest weight 1."""
    peak = tl.abs(tl.load(own, wanted, 0.0))
    for k in range(1, j + 1):
        peak = tl.maximum(peak, tl.abs(tl.load(own + k * area, wanted, 0.0)))
    return peak


@triton.jit
def _pair(own, area, k, j, wanted):
    """Seed k and the one after it; at the last one twice the same."""
    low = tl.abs(tl.load(own + k * area, wanted, 0.0))
    return low, tl.abs(tl.load(own + tl.minimum(k + 1, j) * area, wanted, 0.0))


@triton.jit
def _neighbour(x, y, across, down, member, height, width):
    column, row = x + tl.load(across + member), y + tl.load(down + member)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return row * width + column, inside


@triton.jit
def _sum(picture, across, down, begin, end, pixel, channel, height, width, channels, like):
    """Sums of the picture over some pixels around each, zeros outside."""
    x, y = pixel % width, pixel // width
    held = tl.zeros_like(like)
    for member in range(begin, end):
        other, inside = _neighbour(x, y, across, down, member, height, width)
        place = picture + channel[:, None] * height * width + other[None, :]
        held += tl.load(place, inside[None, :] & (channel < channels)[:, None], 0.0)
    return held
