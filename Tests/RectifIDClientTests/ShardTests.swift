import Foundation
import RectifIDClient
import Testing

/// Which shard a client's jobs go to, which every client must work out alike.
@Suite struct ShardTests {
    /// The table that the Python client is tested with too: a client's name as JSON, shards, routing key.
    private static let table = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("scripts/clients/python/tests/shards.tsv")

    @Test func clientsHaveTheShardsThatTheTableSays() throws {
        let lines = try String(contentsOf: Self.table, encoding: .utf8).split(separator: "\n")
        #expect(lines.count > 50)
        for line in lines {
            let cells = line.split(separator: "\t").map { String($0) }
            try #require(cells.count == 3)
            let name = try JSONDecoder().decode(String.self, from: Data(cells[0].utf8))
            let pool = try Pool("table", shards: try #require(Int(cells[1])))
            #expect(pool.workQueue(.batch, ofClient: name).routingKey == cells[2], "\(line)")
        }
    }

    @Test func aClientWithoutANameHasTheLanesOwnQueue() {
        #expect(Pool.standard.workQueue(.batch, ofClient: nil) == WorkQueue(.batch))
    }
}
