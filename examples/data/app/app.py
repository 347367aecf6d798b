"""Sums up orders by day and product, by way of Parquet in memory."""

import io
import platform
from typing import TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class Order(TypedDict):
    """A line of an order: its day as in 2026-11-21, and what was bought for how much."""

    day: str
    product: str
    amount: float


class Orders(TypedDict):
    """What the function is called with."""

    orders: list[Order]


def handler(event: Orders, context: object) -> dict[str, object]:
    """Answer with the sums, as they are after a round trip through a Parquet file."""
    orders = pd.DataFrame(event["orders"])
    orders["day"] = pd.to_datetime(orders["day"])
    daily = orders.groupby(["day", "product"], as_index=False)["amount"].sum()
    parquet = write_parquet(daily)
    products = pq.read_table(io.BytesIO(parquet), columns=["product", "amount"]).to_pandas()
    return {
        "rows": len(daily),
        "same": daily.equals(pd.read_parquet(io.BytesIO(parquet))),
        "totals": products.groupby("product")["amount"].sum().round(2).to_dict(),
        "parquet_bytes": len(parquet),
        "machine": platform.machine(),
        "pandas": pd.__version__,
        "pyarrow": pa.__version__,
        "loaded_from": [pd.__file__, pa.__file__],
    }


def write_parquet(frame: pd.DataFrame) -> bytes:
    """Return the frame as a Parquet file, compressed by zstd."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    return buffer.getvalue()
