const one = await Promise.resolve(1);

export const next = (n) => n + one;
