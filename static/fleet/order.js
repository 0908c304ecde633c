// The order of the workers: it changes only when the reader sorts.

const compare = new Intl.Collator("en", { numeric: true }).compare;

/** An order by columns, which never moves a worker by itself; new workers go to the end. */
export function createOrder() {
  let places = new Map();

  return {
    /** Orders these workers by a column, from now on. */
    sort(workers, { value }, descending) {
      const sorted = workers.toSorted((a, b) => {
        const [left, right] = [value(a), value(b)];
        const numbers = typeof left === "number" && typeof right === "number";
        return (numbers ? left - right : compare(left, right)) * (descending ? -1 : 1);
      });
      places = new Map(sorted.map(({ id }, place) => [id, place]));
    },

    /** These workers in the chosen order. */
    apply(workers) {
      for (const { id } of workers) if (!places.has(id)) places.set(id, places.size);
      return workers.toSorted((a, b) => places.get(a.id) - places.get(b.id));
    },
  };
}
