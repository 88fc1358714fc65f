SELECT 1 END garbage
