/** Waits until something holds. */
export async function until(is: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  for (const began = Date.now(); !(await is());) {
    if (Date.now() - began > withinMs) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
