import ObjectStores
import Testing

struct ObjectKeyTests {
    @Test(arguments: ["a", "a/b.jpg", "..a", "a..", "...", "-", "_/.a/b-c_d", String(repeating: "k", count: 512)])
    func keysAreTaken(text: String) throws {
        let key = try ObjectKey(text)
        #expect(key.text == text && key.parts.joined(separator: "/") == text)
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a b", "a\\b", "http://host/a", "a?b", "a#b",
        "a%2fb",
        "a\0b", "ä", "a\nb", "~a", String(repeating: "k", count: 513),
    ])
    func othersAreNot(text: String) {
        #expect(!ObjectKey.isKey(text))
        #expect(throws: ObjectStoreError.invalidKey(text, allowed: ObjectKey.allowed)) { try ObjectKey(text) }
    }

    @Test func everyTextHasAPartOfItsOwn() throws {
        let texts = [
            "", ".", "..", "_", "_2e", "_2E", "a", "A", "a.b", ".a", "a/b", "a_2fb",
            "550e8400-e29b-41d4-a716-446655440000", "a b",
            "job:1", "job%3A1", "~", "\u{1}", "ä", "é", "e\u{301}",
        ]
        let parts = texts.map { ObjectKey.part(for: $0) }
        #expect(Set(parts).count == texts.count)
        #expect(parts.allSatisfy { ObjectKey.isKey($0) && !$0.contains("/") })
        #expect(ObjectKey.part(for: "550e8400-e29b-41d4-a716-446655440000") == "550e8400-e29b-41d4-a716-446655440000")
        #expect(ObjectKey.part(for: "job:1_a") == "job_3a1_5fa")
    }
}
