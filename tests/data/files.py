"""CSV files that tests prepare."""


def write_m4(file, ids, length=70):
    """Series i holds i * 1,000 + position."""
    rows = [f"s{i}," + ",".join(str(1000 * i + t) for t in range(length)) for i in ids]
    file.write_text("\n".join(["id,V1", *rows]) + "\n")
    return file
