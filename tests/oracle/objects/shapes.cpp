// Virtual functions, templates, COMDAT groups, unique symbols, exceptions and unwind tables, without
// a library. Compiled in many ways and loaded by tests/oracle; never run.

struct Shape {
	virtual ~Shape() {}
	virtual long area() const = 0;
	static int count;
};

template <long Side> struct Square : Shape {
	static inline long seen = Side;
	long area() const override
	{
		static long calls = start();
		return calls += Side * Side;
	}
	static long start();
};

template <long Side> long Square<Side>::start()
{
	return Side + Shape::count;
}

struct Moved : virtual Shape {
	long by[3] = {1, 2, 3};
	long area() const override { return by[1]; }
};

struct Failure {
	const Shape *shape;
};

int Shape::count = 5;
Square<3> three;
Square<4> four;
const Shape *const shapes[] = {&three, &four};
long (Shape::*const member)() const = &Shape::area;

long measure(const Shape &shape)
{
	if (shape.area() < 0)
		throw Failure{&shape};
	return shape.area() + three.seen;
}

long measure_all(int choice)
{
	Moved moved;
	long sum = 0;

	try {
		for (const Shape *shape : shapes)
			sum += measure(*shape);
		sum += measure(moved);
	} catch (const Failure &failure) {
		return dynamic_cast<const Moved *>(failure.shape) ? -1 : -2;
	} catch (...) {
		return -3;
	}
	switch (choice) {
	case 0: return sum;
	case 1: return three.area();
	case 2: return four.area() * sum;
	case 3: return sum / 7;
	case 4: return sum % 9;
	case 5: return (shapes[1]->*member)();
	case 6: return sum ^ 3;
	default: throw choice;
	}
}
