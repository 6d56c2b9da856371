"use strict";

// Axes of the plot: between round numbers, with `at`, where a number lies on it (0 to 1), and ticks there.
{
  const minus = (text) => text.replace("-", "−");

  const linear = (values) => {
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (high - low < 1e-9) [low, high] = [low - Math.max(Math.abs(low) * 0.01, 1e-3), high + Math.max(Math.abs(high) * 0.01, 1e-3)];
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - 1e-9));
    const [from, to] = [Math.floor(low / step - 0.15), Math.ceil(high / step + 0.15)];
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const at = (number) => (number / step - from) / (to - from);
    const ticks = Array.from({ length: to - from + 1 }, (_, index) => (from + index) * step);
    const text = (tick) => minus((Math.abs(tick) < step / 2 ? 0 : tick).toFixed(digits));
    return { at, ticks: ticks.map((tick) => ({ at: at(tick), text: text(tick) })) };
  };

  // What is zero has no place on a logarithm's axis: it gets a strip of its own before it.
  const STRIP = 0.14;
  const short = (number) => {
    const [size, unit] = [[1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""]].find(([size]) => number >= size) ?? [1, ""];
    return Number((number / size).toPrecision(3)) + unit;
  };
  const logarithmic = (values, kind) => {
    const positive = values.filter((value) => value > 0);
    const strip = positive.length < values.length ? (positive.length ? STRIP : 1) : 0;
    const none = strip ? [{ at: strip / 2, text: "none", strip }] : [];
    if (!positive.length) return { at: () => strip / 2, ticks: none };
    const [low, high] = [Math.log10(Math.min(...positive)) - 0.04, Math.log10(Math.max(...positive)) + 0.04];
    const factors = high - low > 2.5 ? [1] : high - low > 1.2 ? [1, 3] : [1, 2, 5];
    const round = [];
    for (let power = Math.floor(low) - 1; power <= Math.ceil(high); power += 1) {
      for (const factor of factors) round.push(Number(`${factor}e${power}`));
    }
    const first = round.findLastIndex((tick) => Math.log10(tick) <= low);
    const last = round.findIndex((tick) => Math.log10(tick) >= high);
    const ticks = round.slice(first, last + 1);
    const [from, to] = [Math.log10(ticks[0]), Math.log10(ticks.at(-1))];
    const at = (number) => (number > 0 ? strip + (1 - strip) * (Math.log10(number) - from) / (to - from) : strip / 2);
    return { at, ticks: [...none, ...ticks.map((tick) => ({ at: at(tick), text: kind === "count" ? short(tick) : String(tick) }))] };
  };

  SDD.axis = (values, kind) => (kind ? logarithmic(values, kind) : linear(values));
}
