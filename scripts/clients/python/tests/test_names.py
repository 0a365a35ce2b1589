"""What the client and the workers must agree on without asking."""

from __future__ import annotations

import json
import unittest
from pathlib import Path

from rectifid_client.names import Pool


class NameTests(unittest.TestCase):
    def test_clients_have_the_shards_that_the_table_says(self) -> None:
        """The table that the Swift client is tested with too (ShardTests)."""
        lines = (Path(__file__).parent / "shards.tsv").read_text(encoding="utf-8").splitlines()
        self.assertGreater(len(lines), 50)
        for line in lines:
            name, shards, key = line.split("\t")
            self.assertEqual(Pool(shards=int(shards)).routing_key("batch", json.loads(name)), key, line)


if __name__ == "__main__":
    unittest.main()
