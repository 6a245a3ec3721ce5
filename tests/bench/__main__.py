"""`make bench`: measure the running site and print each figure beside its budget."""

from itertools import chain

from tests.bench import alise, compute_path, interlink_api, scale
from tests.bench.table import table
from tests.lab import running


def main() -> None:
    site = running.site()
    rows = []
    for row in chain(alise.rows(), interlink_api.rows(), compute_path.rows(site), scale.rows(site)):
        print(f"{row.what}: {row.ours}", flush=True)
        rows.append(row)
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
