/* SELECT */ ATTACH '/x' AS x
