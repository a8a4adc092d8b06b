"""Range reads and writes through fsspec, as data tools make them."""
import hashlib
import os

import s3fs

fs = s3fs.S3FileSystem(
    key=os.environ["ACCESS_KEY"], secret=os.environ["SECRET_KEY"],
    client_kwargs={"endpoint_url": os.environ["ENDPOINT"], "region_name": "us-east-1"},
)
bucket = f"fsspec-{os.environ['OWNER']}"
fs.mkdir(bucket)
data = hashlib.sha256(b"seed").digest() * 400_000
with fs.open(f"{bucket}/dir/data.bin", "wb", block_size=6 * 1024 * 1024) as file:
    file.write(data)
assert fs.info(f"{bucket}/dir/data.bin")["size"] == len(data)
with fs.open(f"{bucket}/dir/data.bin", "rb", block_size=64 * 1024) as file:
    for start, length in [(0, 10), (5_000_000, 100_000), (len(data) - 7, 7), (12_345, 1)]:
        file.seek(start)
        assert file.read(length) == data[start:start + length], (start, length)
assert fs.cat_file(f"{bucket}/dir/data.bin", start=100, end=200) == data[100:200]
assert fs.ls(f"{bucket}/dir") == [f"{bucket}/dir/data.bin"]
fs.rm(bucket, recursive=True)
print("ok fsspec")
